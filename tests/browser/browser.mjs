// One Chromium page that reaches the given hosts alone, and what went wrong on it.
import { chromium } from "playwright-core";

const [executable, ...hosts] = JSON.parse(process.env.BROWSER);

export async function onPage(work) {
  const browser = await chromium.launch({
    executablePath: executable,
    // Without a sandbox, as root cannot have one; it opens our own pages only.
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
  });
  const found = { errors: [], strangers: [] };
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on("pageerror", (error) => found.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") found.errors.push(message.text());
    });
    await page.route("**/*", (route) => {
      const url = new URL(route.request().url());
      if (hosts.includes(url.host) || url.protocol === "data:") return route.continue();
      found.strangers.push(url.href);
      return route.abort();
    });
    Object.assign(found, await work(page));
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(found));
}
