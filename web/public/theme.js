// Runs before the first paint, so that a chosen theme does not flash. See src/shell/theme.ts.
(function () {
  try {
    var theme = localStorage.getItem('bullock.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage is switched off: the system's theme it is.
  }
})();
