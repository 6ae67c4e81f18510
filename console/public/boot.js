// Before the first paint: the colour scheme and language that were chosen here before. No inline script may do
// this, since the content security policy allows none.
(function () {
  var root = document.documentElement;
  var scheme = null;
  var language = null;
  try {
    scheme = localStorage.getItem("mantine-color-scheme-value");
    language = localStorage.getItem("posthouse-language");
  } catch (error) {
    // Storage is closed to this page: the system's choice holds.
  }
  if (scheme !== "light" && scheme !== "dark") {
    scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  root.setAttribute("data-mantine-color-scheme", scheme);
  root.lang = (language || navigator.language || "en").indexOf("zh") === 0 ? "zh-CN" : "en";
})();
