// Opens the documentation, signs in on the page, and tries list_clients with what that gave.
import { onPage } from "./browser.mjs";

const [docs, email, password] = process.argv.slice(2);

async function attempt(page, operation, fill) {
  const block = page.locator(`.opblock[id$="-${operation}"]`);
  await block.locator(".opblock-summary-control").first().click();
  await fill?.(block);
  await block.locator("button.execute").click();
  const answer = block.locator(".live-responses-table .response");
  await answer.locator(".microlight, pre").first().waitFor();
  return {
    status: (await answer.locator(".response-col_status").innerText()).trim().split(/\s/)[0],
    text: await answer.locator(".response-col_description").innerText(),
    request: await block.locator(".curl").innerText(),
  };
}

await onPage(async (page) => {
  const response = await page.goto(docs);
  await page.locator(".opblock-tag").first().waitFor();
  for (const tag of await page.locator(".opblock-tag button.expand-operation").all()) await tag.click();
  const login = await attempt(page, "login", (block) =>
    block.locator("textarea.body-param__text").fill(JSON.stringify({ email, password })),
  );
  const list = await attempt(page, "list_clients");
  return { policy: response.headers()["content-security-policy"], login, list };
});
