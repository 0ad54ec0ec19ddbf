// The page that shows every REST call, in a real browser: opens one group of calls after the other. Told as walk.mjs.
import { readFileSync } from "node:fs";

import { started, Walk } from "./chromium.mjs";

const told = JSON.parse(readFileSync(0, "utf8"));
const browser = await started(told);
const walk = new Walk(browser, told, () => {});
const page = await walk.visitor();

const status = await walk.go(page, "/docs");
const groups = page.locator(".opblock-tag");
await groups.first().waitFor();
const paths = new Set();
for (let number = 0; number < (await groups.count()); number += 1) {
  await groups.nth(number).click();
  await page.locator("[data-path]").first().waitFor();
  for (const each of await page.locator("[data-path]").all()) paths.add(await each.getAttribute("data-path"));
  await groups.nth(number).click();
  await page.locator("[data-path]").first().waitFor({ state: "detached" });
}
process.stdout.write(JSON.stringify({ status, problems: walk.problems, paths: [...paths].sort() }));
await browser.close();
