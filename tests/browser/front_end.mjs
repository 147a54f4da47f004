// Lets the page of another origin do its work, and reads what it shows.
import { onPage } from "./browser.mjs";

const [page_url, email, password] = process.argv.slice(2);

await onPage(async (page) => {
  await page.goto(page_url);
  const seen = await page.evaluate(([who, secret]) => window.start(who, secret), [email, password]);
  return { seen, state: await page.innerText("#state"), told: await page.innerText("#told") };
});
