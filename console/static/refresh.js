// A board that keeps itself up to date: every ten seconds the part with id "live" is fetched again. While somebody is
// about to press a button in it, it waits. When the server does not answer, the page says since when it is old.
"use strict";
(function () {
  const EVERY_MS = 10000;
  const stale = document.getElementById("stale");
  let good = new Date();

  async function refresh() {
    const live = document.getElementById("live");
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      live.replaceWith(document.importNode(page.getElementById("live"), true));
      good = new Date();
      stale.hidden = true;
    } catch (error) {
      stale.querySelector("time").textContent = good.toLocaleTimeString();
      stale.hidden = false;
    }
  }

  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
})();
