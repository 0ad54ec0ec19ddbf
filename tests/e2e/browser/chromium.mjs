// A Chromium that trusts the certificate of one platform, and what is done on every page: looked at, and judged by axe.
import { mkdirSync } from "node:fs";
import path from "node:path";

import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const DESKTOP = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
// What Chromium itself says of an answer of 4xx, which these pages give on purpose.
const EXPECTED = /Failed to load resource: the server responded with a status of 4\d\d/;

export const started = async ({ executable, spki }) =>
  chromium.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", `--ignore-certificate-errors-spki-list=${spki}`],
  });

export class Walk {
  constructor(browser, { origin, pictures }, report) {
    Object.assign(this, { browser, origin, pictures, report });
    this.problems = [];
    if (pictures) mkdirSync(pictures, { recursive: true });
  }

  /** Kept where somebody wants to look. */
  async picture(page, name) {
    if (this.pictures) await page.screenshot({ path: path.join(this.pictures, `${name}.png`), fullPage: true });
  }

  async visitor(options = {}) {
    const context = await this.browser.newContext({ viewport: DESKTOP, locale: "en-GB", deviceScaleFactor: 1, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => this.problems.push(String(error)));
    page.on("console", (said) => {
      if (said.type() === "error" && !EXPECTED.test(said.text())) this.problems.push(`${page.url()}: ${said.text()}`);
    });
    return page;
  }

  async go(page, where) {
    const answer = await page.goto(this.origin + where);
    return answer.status();
  }

  /** The page on a desk in light and dark, and on a phone: what axe finds, how much wider it is than the screen, a picture. */
  async look(page, name) {
    for (const [size, viewport, scheme] of [["desktop", DESKTOP, "light"], ["desktop", DESKTOP, "dark"], ["phone", PHONE, "light"]]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      // A phone changes sizes, the dark scheme colours: names and roles are judged once.
      const axe = scheme === "dark" ? new AxeBuilder({ page }).withRules(["color-contrast"]) : new AxeBuilder({ page });
      const violations = size === "desktop" ? (await axe.analyze()).violations : [];
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      this.report({
        page: name, scheme, size, wide,
        violations: violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((each) => each.html).slice(0, 3) })),
      });
      await this.picture(page, `${name}-${size}-${scheme}`);
    }
    await page.setViewportSize(DESKTOP);
    await page.emulateMedia({ colorScheme: "light" });
  }
}
