// Starts Swagger UI. A file of its own: the page's policy allows no script inside the page.
window.addEventListener("load", () => {
  const ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "none",
    filter: true,
    layout: "BaseLayout",
    persistAuthorization: true,
    presets: [SwaggerUIBundle.presets.apis],
    showExtensions: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    // Whoever signs in by trying the operation out is signed in for all the others.
    responseInterceptor: (response) => {
      const token = response.ok && response.body && response.body.access_token;
      if (typeof token === "string") {
        const schema = { type: "http", scheme: "bearer" };
        ui.authActions.authorize({ bearer: { name: "bearer", schema, value: token } });
      }
      return response;
    },
  });
});
