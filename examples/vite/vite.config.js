// Addresses are relative, so that the folder runs wherever it is put; the project's data are served beside it.
export default {
  base: "./",
  publicDir: "../../data",
  worker: { format: "es" },
  build: { target: "es2022" },
};
