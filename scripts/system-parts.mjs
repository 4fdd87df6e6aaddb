/**
 * WebGPU tests in Node need a Vulkan loader and a driver, and tests with several ranks need Open MPI. On Linux this
 * installs Debian's `libvulkan1`, `chromium` (which brings a software driver) and `openmpi-bin` when run as root, and
 * otherwise says what to install. Missing parts end the run only under CI=true: elsewhere those tests are skipped, visibly.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter } from "node:path";

const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** @returns {boolean} whether the Vulkan loader is in one of the places where Linux keeps libraries */
function hasLoader() {
  const triplets = existsSync("/usr/lib")
    ? readdirSync("/usr/lib").filter((name) => name.endsWith("-linux-gnu"))
    : [];
  return ["/usr/lib64", "/usr/lib", "/usr/local/lib", ...triplets.map((name) => `/usr/lib/${name}`)].some(
    (folder) => existsSync(`${folder}/libvulkan.so.1`),
  );
}

/** @param {string} name */
function hasProgram(name) {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(`${folder}/${name}`));
}

/** @returns {string[]} the Debian packages whose parts are not here */
function missingPackages() {
  if (process.platform !== "linux") return []; // Metal and Direct3D come with the system
  const missing = [];
  if (!hasLoader()) missing.push("libvulkan1");
  // Whoever names a driver of their own needs none from us.
  if (process.env["VK_ICD_FILENAMES"] === undefined && !existsSync(driver)) missing.push("chromium");
  if (!hasProgram("mpirun.openmpi")) missing.push("openmpi-bin");
  return missing;
}

/** @param {string[]} args */
function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync("apt-get", args, { stdio: ["ignore", "inherit", "inherit"], env }).status === 0;
}

const wanted = missingPackages();
if (wanted.length > 0) {
  const install = `apt-get install -y --no-install-recommends ${wanted.join(" ")}`;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync("/usr/bin/apt-get")) {
    console.log(`Tests on WebGPU and MPI need ${wanted.join(" and ")}: ${install}`);
    if (apt("-qq", "update")) apt("-qq", "install", "-y", "--no-install-recommends", ...wanted);
  }
  const missing = missingPackages();
  if (missing.length > 0) {
    console.log(
      `Tests on WebGPU and MPI need ${missing.join(" and ")} (Debian packages): run as root: ${install}`,
    );
    if (process.env["CI"] === "true") process.exitCode = 1;
  }
}
