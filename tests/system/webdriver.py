# SPDX-License-Identifier: MIT
"""Debian's Chromium without a window, driven through its chromedriver: what a page shows, says on its console, and asks for."""

import base64
import contextlib
import http.client
import json
import pathlib
import shutil
import tempfile

from harness import Program, free_port, wait_for

# Without these it asks for hosts of its maker's at every start.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
         "--disable-default-apps", "--disable-domain-reliability", "--no-pings", "--disable-extensions", "--no-default-browser-check")  # fmt: skip


class Browser:
    """As a context: runs, with a window of this size."""

    @staticmethod
    def is_installed():
        return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None

    def __init__(self, width=1280, height=1600):
        self.size = (width, height)
        self.directory = tempfile.mkdtemp(prefix="blobproxy-test-")
        self.port = free_port()
        self.session = None
        self.driver = None
        self.events = []  # of the network, so far

    def __enter__(self):
        try:
            self.driver = Program("chromedriver", [f"--port={self.port}"], self.directory, ["chromedriver"])
            wait_for(self._is_up, "chromedriver")
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, AssertionError):
            self._ask("DELETE", "")
        self._end()

    def _end(self):
        if self.driver:
            self.driver.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_up(self):
        assert self.driver.is_running(), self.driver.output()
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _begin(self):
        options = {"binary": shutil.which("chromium"), "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--hide-scrollbars", f"--window-size={self.size[0]},{self.size[1]}", f"--user-data-dir={self.directory}/profile", *QUIET]}  # fmt: skip
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.open("about:blank")
        self.requests()
        self.events = []

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(value, dict) and value.get("error")), value
        return value

    def _ask(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value that the script, a function's body, returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def command(self, name, **parameters):
        """Of the browser's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def look(self, scheme=None, width=None, height=None):
        """As somebody who prefers a "light" or "dark" scheme, or has a screen of another size."""
        if scheme:
            self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        if width:
            self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 800)

    def console(self):
        """[(level, message), ...] since it was asked last."""
        return [(entry["level"], entry["message"]) for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self):
        """The URLs that pages asked for, so far; without those of the browser's own page, which it begins with."""
        for entry in self._ask("POST", "/se/log", {"type": "performance"}):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.events.append(event["params"]["request"]["url"])
        return self.events

    def screenshot(self, path):
        """The whole page, also what does not fit the window."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
