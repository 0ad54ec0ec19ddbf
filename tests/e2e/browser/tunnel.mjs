// A person at a device's page by a private tunnel. Told by lines on standard input, the first one JSON; each step is told
// on standard output, one JSON object a line, and the next one waits for a line.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";

import { started, Walk } from "./chromium.mjs";
import { code } from "./totp.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = JSON.parse((await lines.next()).value);
const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const browser = await started(told);
const walk = new Walk(browser, told, report);
const page = await walk.visitor();
const seen = async () => ({ at: page.url(), heading: await page.locator("h1").innerText(), text: await page.locator("body").innerText() });
const next = async (done) => {
  report(done);
  await lines.next();
};

await page.goto(told.url);
assert.equal(new URL(page.url()).pathname, "/sign-in", page.url());
await page.getByLabel("E-mail address").fill(told.login_name);
await page.getByLabel("Password", { exact: true }).fill(told.password);
await page.locator("main form button[type=submit]").first().click();
await page.waitForURL((url) => url.pathname === "/sign-in/second-factor");
// The step that confirmed the app is spent; a clock may be one step off.
await page.getByLabel("Six-digit code").fill(code(told.secret, 1));
await page.locator("main form button[type=submit]").first().click();
await page.waitForURL((url) => url.hostname.endsWith(told.domain));
await next({ step: "without the flag", ...(await seen()) });

await page.goto(told.url);
await page.waitForFunction(() => document.getElementById("said")?.textContent);
await next({ step: "with it", ...(await seen()) });

await page.waitForFunction(() => document.body.dataset.closed, undefined, { polling: 20 });
const closed = Number(await page.evaluate(() => document.body.dataset.closed));
const answer = await page.goto(told.url);
await next({ step: "cut", closed, status: answer.status(), ...(await seen()) });
await browser.close();
