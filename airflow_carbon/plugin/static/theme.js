// Before the first paint: Airflow's own choice of light or dark, else the system's.
(() => {
  const show = () => {
    let chosen = null;
    try { chosen = localStorage.getItem("theme"); } catch { /* no storage: the system's */ }
    const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    const theme = isDark ? "dark" : "light";
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event("carbon-theme"));
  };
  show();
  addEventListener("storage", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
})();
