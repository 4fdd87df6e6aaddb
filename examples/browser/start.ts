/** Serves the page to a person with a browser, and says here, too, what it found. Run it with `npm run example:browser`. */
import { failures } from "./results.ts";
import { servePage } from "./server.ts";

const { url, close } = await servePage((report) => {
  if ("error" in report) {
    console.error(`The page failed: ${report.error}`);
    return;
  }
  const wrong = failures(report);
  const ran = report.backends.map(({ backend }) => backend).join(" and ");
  console.log(
    wrong.length === 0 ? `${ran}: everything came back, bit for bit.` : `Failed: ${wrong.join("; ")}`,
  );
});
console.log(`Open ${url} in a browser. Ctrl-C ends it.`);
process.once("SIGINT", () => void close());
