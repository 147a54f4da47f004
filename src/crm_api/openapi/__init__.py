"""The OpenAPI document: what FastAPI derives from the routes, finished to the API's conventions."""
