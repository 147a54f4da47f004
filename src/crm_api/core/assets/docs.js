// Starts Swagger UI. A file of its own: the page's policy allows no script inside the page.

// An example would be filled in and sent with each try, as a filter that matches nothing.
const withoutOptionalExamples = (document) => {
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path)) {
      for (const parameter of operation.parameters ?? []) {
        if (!parameter.required) delete parameter.example;
      }
    }
  }
  return document;
};

const emptyOptionalFields = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (original) => (document) => original(withoutOptionalExamples(document)),
      },
    },
  },
});

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
    plugins: [emptyOptionalFields],
    presets: [SwaggerUIBundle.presets.apis],
    showExtensions: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    // Whoever signs in by trying the operation out is signed in for all the others.
    responseInterceptor: (response) => {
      const token = response.ok && response.body && response.body.access_token;
      if (typeof token === "string") {
        const schema = { type: "http", scheme: "bearer" };
        ui.authActions.authorizeWithPersistOption({ bearer: { name: "bearer", schema, value: token } });
      }
      return response;
    },
  });
});
