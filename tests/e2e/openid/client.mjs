// A small site for one person, who signs in by openid-client. It reads its settings as JSON from standard input, and says by JSON
// what it knows, so that the test can ask for it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import * as client from "openid-client";

const told = JSON.parse(readFileSync(0, "utf8"));
const SCOPE = "openid profile email offline_access";
const MAX_AGE_S = 600;
const config = await client.discovery(
  new URL(told.issuer), told.client_id, undefined, client.ClientSecretPost(told.client_secret),
);
client.enableNonRepudiationChecks(config); // the signature of each ID token is verified, as well

let asked = null; // the sign-in that is under way
let tokens = null;
let claims = null;
let device = null; // what becomes of the device that waits

function halfHash(text) {
  return createHash("sha256").update(text).digest().subarray(0, 16).toString("base64url");
}

function take(answer) {
  tokens = { ...tokens, ...answer };
  claims = answer.claims() ?? claims;
  if (answer.id_token && claims.at_hash !== halfHash(answer.access_token)) throw new Error("at_hash is another token's");
}

async function known() {
  if (!tokens) return [401, {}];
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  return [200, { claims, userinfo, access_token: tokens.access_token, refresh_token: tokens.refresh_token }];
}

async function login() {
  const verifier = client.randomPKCECodeVerifier();
  asked = { verifier, state: client.randomState(), nonce: client.randomNonce() };
  return client.buildAuthorizationUrl(config, {
    redirect_uri: `${told.origin}/callback`,
    scope: SCOPE,
    state: asked.state,
    nonce: asked.nonce,
    max_age: String(MAX_AGE_S),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
}

async function callback(url) {
  take(await client.authorizationCodeGrant(config, url, {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    expectedNonce: asked.nonce,
    maxAge: MAX_AGE_S,
    idTokenExpected: true,
  }));
  return new URL("/", told.origin);
}

async function begin() {
  const waiting = await client.initiateDeviceAuthorization(config, { scope: SCOPE });
  device = client.pollDeviceAuthorizationGrant(config, waiting).then(
    (answer) => ({ claims: answer.claims(), has_refresh_token: Boolean(answer.refresh_token) }),
    (error) => ({ error: error.error ?? error.code ?? String(error) }),
  );
  return [200, waiting];
}

function logout() {
  const url = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: `${told.origin}/out`, state: "the end",
  });
  tokens = claims = null;
  return url;
}

const pages = {
  "/": known,
  "/server": () => [200, config.serverMetadata()],
  "/login": login,
  "/callback": callback,
  "/refresh": async () => { take(await client.refreshTokenGrant(config, tokens.refresh_token)); return known(); },
  "/introspect": async () => [200, await client.tokenIntrospection(config, tokens.access_token)],
  "/revoke": async () => { await client.tokenRevocation(config, tokens.refresh_token); return [200, {}]; },
  "/logout": logout,
  "/out": (url) => [200, { said: Object.fromEntries(url.searchParams) }],
  "/device": begin,
  "/device/outcome": async () => [200, await device],
};

function described(error) {
  return { error: error.error ?? error.code ?? error.message, why: String(error.cause?.message ?? error.message) };
}

createServer({ cert: readFileSync(told.certificate), key: readFileSync(told.key) }, async (request, response) => {
  const url = new URL(request.url, told.origin);
  let answer;
  try {
    answer = pages[url.pathname] ? await pages[url.pathname](url) : [404, {}];
  } catch (error) {
    answer = [400, described(error)];
  }
  if (answer instanceof URL) return response.writeHead(303, { Location: answer.href }).end();
  const [status, content] = answer;
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(content));
}).listen(told.port, told.host);
