// Signing in by another provider in a real browser, and the pages about it. Told and reporting as in walk.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { started, Walk } from "./chromium.mjs";

const told = JSON.parse(readFileSync(0, "utf8"));
const browser = await started(told);
const walk = new Walk(browser, told, (line) => process.stdout.write(`${JSON.stringify(line)}\n`));
const page = await walk.visitor();

await walk.go(page, "/sign-in");
await walk.look(page, "sign-in-elsewhere");
await page.getByRole("button", { name: "Continue with Works" }).click();
await page.waitForURL((url) => url.pathname === "/account");
assert.equal(await page.getByLabel("Name").inputValue(), "Cleo");

await page.getByRole("link", { name: "Sign-in" }).click();
await walk.look(page, "factors-elsewhere");
await page.getByRole("link", { name: /Unlink.*Works/ }).click();
await walk.look(page, "provider-unlink");
await page.getByRole("button", { name: "Unlink" }).click();
await page.getByRole("alert").waitFor();
await walk.look(page, "provider-unlink-refused");
await walk.go(page, "/account/providers/link?provider=works");
await walk.look(page, "provider-link");
await walk.go(page, "/step-up?return_to=/account/sign-in");
await walk.look(page, "step-up-elsewhere");
await page.getByRole("button", { name: "Continue with Works" }).click();
await page.waitForURL((url) => url.pathname === "/account/sign-in");
await walk.go(page, "/sign-in/refused?because=uninvited");
await walk.look(page, "sign-in-refused-elsewhere");
assert.deepEqual(walk.problems, []);
await browser.close();
