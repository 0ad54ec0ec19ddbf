"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

// The key that is typed into "Authorize" lives in this page's memory and is gone with it.
window.SwaggerUIBundle({
  url: "/v1/ironflock/openapi.json",
  dom_id: "#description",
  deepLinking: true,
  docExpansion: "none", // this version of the page loses everything where some 120 calls are open at once
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null,
  supportedSubmitMethods: ["get", "post", "put", "patch", "delete"],
});
