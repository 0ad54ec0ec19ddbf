// The first owner's way through every page, in a real browser. Told on standard input; what was done and found is told
// on standard output, one JSON object a line. A step that fails ends the walk, and says what the page said.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { started, Walk } from "./chromium.mjs";
import { code, scanned } from "./totp.mjs";

const told = JSON.parse(readFileSync(0, "utf8"));
const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const PASSWORD = "quietly nine lamps hum";
const OWNER = told.login_name;

const browser = await started(told);
const walk = new Walk(browser, told, report);
const page = await walk.visitor();
const kept = { codes: [], secret: "" };

const submit = (where) => where.locator("main form button[type=submit]").first().click();
const title = (where) => where.locator("h1").innerText();
const notice = (where) => where.locator("[role=status]").innerText();
const at = (where) => new URL(where.url()).pathname;
const arrived = (where, place) => where.waitForURL((url) => url.pathname === place);

const password = async (where, { name = OWNER, word = PASSWORD } = {}) => {
  await where.getByLabel("E-mail address").fill(name);
  await where.getByLabel("Password", { exact: true }).fill(word);
  await submit(where);
};
const signOut = async (where) => {
  await walk.go(where, "/account");
  await where.getByRole("link", { name: "Sign out" }).click();
  await submit(where);
  await where.getByRole("heading", { name: "You are signed out" }).waitFor();
};
const recoveryCode = async (where) => {
  await where.getByRole("link", { name: "Use a recovery code" }).click();
  await where.getByLabel("Recovery code").fill(kept.codes.pop());
  await submit(where);
};

const STEPS = {
  async set_up() {
    await page.goto(told.setup);
    await walk.look(page, "setup");
    await page.getByLabel("Name").fill("Anna Meier");
    await page.getByLabel("Password", { exact: true }).fill("short");
    await submit(page);
    await page.locator("#alert").waitFor();
    assert.equal(await page.getByLabel("Name").inputValue(), "Anna Meier");
    await walk.look(page, "setup-refused");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await submit(page);
    await arrived(page, "/account/sign-in");
    assert.match(await notice(page), /^Welcome/);
    await walk.look(page, "factors-none");
  },

  async pages_of_the_account() {
    for (const [place, name] of [
      ["/account", "account"], ["/account/address", "address"], ["/account/password", "password"],
      ["/account/sessions", "sessions-one"], ["/account/data", "data"], ["/account/data/export", "export"],
      ["/account/data/delete", "delete"], ["/language", "language"], ["/step-up", "step-up-password"],
    ]) {
      assert.equal(await walk.go(page, place), 200);
      await walk.look(page, name);
    }
    assert.equal(await walk.go(page, "/nowhere"), 404);
    await walk.look(page, "no-page");
    assert.equal(await walk.go(page, "/reset?code=x"), 410);
    await walk.look(page, "link-over");
    await walk.go(page, "/account");
    await page.getByLabel("Name").fill("Anna M.");
    await submit(page);
    assert.equal(await notice(page), "Saved.");
    await walk.look(page, "account-saved");
  },

  async authenticator_by_its_qr_code() {
    await walk.go(page, "/account/authenticator");
    await walk.look(page, "authenticator");
    await submit(page);
    await arrived(page, "/account/authenticator/confirm");
    await walk.look(page, "authenticator-confirm");
    const uri = scanned(await page.locator(".qr").screenshot());
    assert.equal(uri.protocol, "otpauth:");
    assert.equal(uri.searchParams.get("issuer"), "IronFlock");
    assert.ok(decodeURIComponent(uri.pathname).endsWith(OWNER), uri.pathname);
    kept.secret = uri.searchParams.get("secret");
    assert.equal((await page.locator("#secret").innerText()).replaceAll(" ", ""), kept.secret);
    await page.getByLabel("Six-digit code").fill("000000");
    await submit(page);
    await page.locator("#alert").waitFor();
    await walk.look(page, "authenticator-wrong");
    assert.equal(scanned(await page.locator(".qr").screenshot()).searchParams.get("secret"), kept.secret);
    await page.getByLabel("Six-digit code").fill(code(kept.secret));
    await submit(page);
    await page.getByRole("heading", { name: "Keep your recovery codes" }).waitFor();
    kept.codes = await page.locator(".codes li").allInnerTexts();
    assert.equal(kept.codes.length, 10);
    await walk.look(page, "recovery-codes-shown");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    const saved = readFileSync(await download.path(), "utf8");
    assert.ok(kept.codes.every((each) => saved.includes(each)));
    await page.getByRole("link", { name: "I have kept them" }).click();
    await walk.look(page, "factors-app");
  },

  async sign_in_with_a_code() {
    await signOut(page);
    await walk.look(page, "signed-out");
    await page.getByRole("link", { name: "Sign in" }).click();
    await walk.look(page, "sign-in");
    await password(page, { word: "quietly nine lamps ham" });
    await page.locator("#alert").waitFor();
    await walk.look(page, "sign-in-refused");
    await password(page);
    await arrived(page, "/sign-in/second-factor");
    await walk.look(page, "second-factor");
    // A clock may be one step off; the step that confirmed the app is spent.
    await page.getByLabel("Six-digit code").fill(code(kept.secret, 1));
    await submit(page);
    await arrived(page, "/account");
  },

  async sign_in_with_a_recovery_code() {
    await signOut(page);
    await walk.go(page, "/sign-in");
    await password(page);
    await page.getByRole("link", { name: "Use a recovery code" }).click();
    await walk.look(page, "second-factor-recovery");
    const spent = kept.codes.pop();
    await page.getByLabel("Recovery code").fill(spent.toLowerCase());
    await submit(page);
    await arrived(page, "/account");
    await walk.go(page, "/account/sign-in");
    assert.match(await page.locator("main").innerText(), /9 of 10 left/);
  },

  async a_passkey_is_added() {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    await walk.go(page, "/account/passkeys/add");
    await walk.look(page, "passkey-add");
    await page.getByLabel("Name of the passkey").fill("Laptop");
    await submit(page);
    await arrived(page, "/account/sign-in");
    assert.equal(await notice(page), "The passkey is added.");
    await walk.look(page, "factors-all");
    await page.getByRole("link", { name: /^Edit\s*: Laptop$/ }).click();
    await walk.look(page, "passkey");
    await page.getByRole("link", { name: "Remove this passkey" }).click();
    await walk.look(page, "passkey-remove");
    await walk.go(page, "/account/recovery-codes");
    await walk.look(page, "recovery-codes");
    await walk.go(page, "/account/authenticator/remove");
    await walk.look(page, "authenticator-remove");
  },

  async sign_in_with_the_passkey_alone() {
    await signOut(page);
    await walk.go(page, "/sign-in?return_to=/account/data");
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await arrived(page, "/account/data");
    await walk.go(page, "/step-up?return_to=/account/password");
    await walk.look(page, "step-up-passkey");
    await page.getByRole("button", { name: "Use passkey" }).click();
    await arrived(page, "/account/password");
  },

  async the_passkey_as_second_factor() {
    await signOut(page);
    await walk.go(page, "/sign-in");
    await password(page);
    await arrived(page, "/sign-in/second-factor");
    await walk.look(page, "second-factor-passkey");
    await page.getByRole("button", { name: "Use passkey" }).click();
    await arrived(page, "/account");
  },

  async sessions_are_ended() {
    const other = await walk.visitor({ userAgent: "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36 Edg/140.0" });
    await walk.go(other, "/sign-in");
    await password(other);
    await recoveryCode(other);
    await arrived(other, "/account");
    await walk.go(page, "/account/sessions");
    await walk.look(page, "sessions");
    await page.getByRole("button", { name: "End the session Edge · Windows" }).first().click();
    assert.equal(await notice(page), "The session has ended.");
    await walk.go(other, "/account");
    assert.equal(at(other), "/sign-in");
    await other.context().close();
  },

  async without_scripts() {
    const plain = await walk.visitor({ javaScriptEnabled: false });
    await walk.go(plain, "/sign-in?return_to=/account/sessions");
    await walk.picture(plain, "sign-in-no-scripts");
    await password(plain);
    await recoveryCode(plain);
    await arrived(plain, "/account/sessions");
    await signOut(plain);
    await plain.context().close();
  },

  async by_the_keyboard_alone() {
    const typist = await walk.visitor();
    await walk.go(typist, "/sign-in");
    await typist.keyboard.type(OWNER);
    await typist.keyboard.press("Tab"); // the way out for who forgot the password
    assert.equal(await typist.evaluate(() => document.activeElement.textContent), "Forgot your password?");
    await typist.keyboard.press("Tab");
    await typist.keyboard.type(PASSWORD);
    await walk.picture(typist, "sign-in-focus");
    await typist.keyboard.press("Enter");
    await arrived(typist, "/sign-in/second-factor");
    await typist.context().close();
  },

  async in_german() {
    const german = await walk.visitor({ locale: "de-DE" });
    await walk.go(german, "/sign-in");
    assert.equal(await german.locator("html").getAttribute("lang"), "de");
    assert.equal(await title(german), "Anmelden");
    await walk.look(german, "sign-in-german");
    await walk.go(german, "/recovery");
    await walk.look(german, "recovery-german");
    await german.getByLabel("E-Mail-Adresse").fill("niemand@example.com");
    await submit(german);
    await german.getByRole("heading").waitFor();
    await walk.look(german, "sent-german");
    await german.context().close();
  },

  async an_api_key() {
    await walk.go(page, "/account/api-keys");
    await walk.look(page, "api-keys-none");
    await page.getByRole("link", { name: "Create key" }).click();
    await walk.look(page, "api-key-create");
    await page.getByLabel("Name").fill("backup");
    await page.getByLabel("read everything that you can see").check();
    await page.getByLabel("Only in projects").fill("plant");
    await submit(page);
    await page.locator("#alert").waitFor();
    assert.ok(await page.getByLabel("read everything that you can see").isChecked());
    await walk.look(page, "api-key-refused");
    await page.getByLabel("Only in projects").fill("");
    await submit(page);
    await page.getByRole("heading", { name: "Copy your key now" }).waitFor();
    const key = await page.locator(".key").innerText();
    assert.match(key, /^ifk_[0-9A-Za-z_]+$/);
    await walk.look(page, "api-key-shown");
    await page.getByRole("link", { name: "I have kept it" }).click();
    assert.ok(!(await page.content()).includes(key));
    await walk.look(page, "api-keys");
    await page.getByRole("link", { name: "Rotate the key backup" }).click();
    await walk.look(page, "api-key-rotate");
    await submit(page);
    assert.notEqual(await page.locator(".key").innerText(), key);
    await page.getByRole("link", { name: "I have kept it" }).click();
    await page.getByRole("link", { name: "Revoke the key backup" }).first().click();
    await walk.look(page, "api-key-revoke");
    await submit(page);
    assert.equal(await notice(page), "The key opens nothing any more.");
  },

  async an_application_is_let_in() {
    assert.equal(await walk.go(page, told.astray), 422);
    await walk.look(page, "client-refused");
    await walk.go(page, told.authorize);
    await page.getByRole("heading", { name: "Grafana wants access" }).waitFor();
    await walk.look(page, "consent");
    await page.getByRole("button", { name: "Cancel" }).click();
    await arrived(page, "/app/callback");
    assert.equal(new URL(page.url()).searchParams.get("error"), "access_denied");
    await walk.go(page, told.authorize);
    await page.getByRole("button", { name: "Allow" }).click();
    await arrived(page, "/app/callback");
    assert.ok(new URL(page.url()).searchParams.get("code"));
    await walk.go(page, "/account/applications");
    await walk.look(page, "applications");
    await page.getByRole("button", { name: "Take back the access of Grafana" }).click();
    assert.equal(await notice(page), "The access is taken back.");
    await walk.look(page, "applications-none");
  },

  async a_device_is_let_in() {
    await walk.go(page, "/device");
    await page.getByLabel("Code").fill("BBBB-BBBB");
    await submit(page);
    await page.locator("#alert").waitFor();
    await walk.look(page, "device-refused");
    await walk.go(page, `/device?user_code=${told.user_code}`);
    await walk.look(page, "device");
    await submit(page);
    await page.getByText(told.user_code).waitFor();
    await walk.look(page, "device-confirm");
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByRole("heading", { name: "Connected" }).waitFor();
    await walk.look(page, "device-done");
  },

  async a_copy_of_ones_own_data() {
    await walk.go(page, "/account/data/export");
    const [download] = await Promise.all([page.waitForEvent("download"), submit(page)]);
    const copy = JSON.parse(readFileSync(await download.path(), "utf8"));
    assert.equal(copy.data.account[0].login_name, OWNER);
    assert.ok(!JSON.stringify(copy).includes(kept.secret));
  },

  async sign_out_ends_it() {
    await walk.go(page, "/sign-out");
    await walk.look(page, "sign-out");
    await submit(page);
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await walk.go(page, "/account");
    assert.equal(at(page), "/sign-in");
  },

  async an_account_is_deleted() {
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await arrived(page, "/account");
    await walk.go(page, "/account/data/delete");
    await page.getByLabel(`Type ${OWNER} to confirm`).fill("somebody@example.com");
    await submit(page);
    await page.locator("#alert").waitFor();
    await walk.look(page, "delete-refused");
    await page.getByLabel(`Type ${OWNER} to confirm`).fill(OWNER);
    await submit(page);
    await page.getByRole("heading", { name: "Your account is deleted" }).waitFor();
    await walk.look(page, "deleted");
  },

  async nothing_went_wrong_in_the_browser() {
    assert.deepEqual(walk.problems, []);
  },
};

try {
  for (const [step, walked] of Object.entries(STEPS)) {
    try {
      await walked();
    } catch (error) {
      await walk.picture(page, `failed-${step}`);
      report({ step, failed: `${error.stack}\n${page.url()}\n${await page.locator("body").innerText()}` });
      break;
    }
    report({ step });
  }
} finally {
  await browser.close();
}
