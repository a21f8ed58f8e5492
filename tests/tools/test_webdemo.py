"""The page to try a network in, in headless Chromium."""

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ..helpers import ROOT, write_video
from .test_webdemo_people import drawn_images, people_in, tiny_finder

TOOL = ROOT / "tools" / "webdemo.py"

images = pytest.fixture(scope="module")(drawn_images)
finder = pytest.fixture(scope="module")(tiny_finder)

NEEDED = "pip install 'swahr_mmpose[demo]' selenium; apt-get install chromium chromium-driver"

#: The camera, which may be used, gives a green image.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--window-size=1280,1000",
]  # fmt: skip


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of the page, served by the tool."""
    for module in ("gradio", "selenium"):
        pytest.importorskip(module, reason=f"the page is tested in a browser: {NEEDED}")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip(f"the page is tested in a browser: {NEEDED}")
    port = free_port()
    log = tmp_path_factory.mktemp("webdemo") / "log"
    command = [sys.executable, str(TOOL), "--port", str(port), "--max-frames", "3"]
    written = tmp_path_factory.mktemp("written")
    environment = dict(os.environ, TMPDIR=str(written))
    with log.open("w") as output:
        serving = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    deadline = time.time() + 120
    while "The page is at" not in log.read_text():
        assert serving.poll() is None, log.read_text()
        assert time.time() < deadline, log.read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/"
    serving.terminate()
    assert serving.wait(30) == 0, log.read_text()
    assert not [path for path in written.iterdir() if path.name.startswith("swahr")]


class Browser:
    """A Chromium, which downloads to its folder."""

    def __init__(self, folder):
        from selenium import webdriver
        from selenium.webdriver.support.ui import WebDriverWait

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        self.folder = folder
        downloads = {"download.default_directory": str(folder / "downloads")}
        options.add_experimental_option("prefs", downloads)
        for flag in [*FLAGS, f"--user-data-dir={folder / 'profile'}"]:
            options.add_argument(flag)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options, service)
        self.wait = WebDriverWait(self.driver, 60)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        """The first element of a selector, once it is there."""
        return self.wait.until(lambda _: self.all(selector))[0]

    def click(self, selector, text):
        """Click the element of a selector that has a text."""
        self.wait.until(lambda _: [o for o in self.all(selector) if o.text == text])[0].click()

    def text(self, selector, word):
        """The text of an element, once a word is in it."""
        return self.wait.until(lambda _: (t := self.one(selector).text) and word in t and t)

    def count(self, other_than=None):
        """The number of people in the image, once it is another."""

        def changed(_):
            words = self.one("#line").text.split()
            return bool(words) and (int(words[0]),) != (other_than,) and (int(words[0]),)

        return self.wait.until(changed)[0]

    def upload(self, path, where="#image"):
        self.one(f"{where} input[type=file]").send_keys(str(path))

    def type_in(self, selector, value):
        from selenium.webdriver.common.keys import Keys

        field = self.one(f"{selector} input[type=number]")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(str(value), Keys.TAB)

    def drawn(self, selector="#drawn img"):
        """The address of what is drawn."""
        return self.one(selector).get_attribute("src")


@pytest.fixture(scope="module")
def browsers():
    """Those that are running, which all tests use."""
    running = []
    yield running
    for browser in running:
        browser.driver.quit()


@pytest.fixture
def browse(address, browsers, tmp_path_factory):
    """Opens the page anew, in a browser for each user of a test."""
    users = []

    def browse():
        if len(users) == len(browsers):
            browsers.append(Browser(tmp_path_factory.mktemp("browser")))
        users.append(browsers[len(users)])
        users[-1].driver.get(address)
        return users[-1]

    return browse


@pytest.fixture(scope="module")
def files(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / f"{index}.png" for index in range(len(images))]
    for path, image in zip(paths, images):
        cv2.imwrite(str(path), image)
    return paths


@pytest.mark.slow
def test_an_image_in_the_browser(browse, files, finder, images):
    browser = browse()
    browser.upload(files[0])
    number = browser.count()
    assert number == len(people_in(finder, images[0]))
    first = browser.drawn()

    browser.type_in("#min_score", 0.9)
    assert browser.count(other_than=number) == len(people_in(finder, images[0], min_score=0.9))
    browser.type_in("#min_score", 0)
    browser.count(other_than=len(people_in(finder, images[0], min_score=0.9)))

    before = browser.drawn()
    assert before != first
    browser.click("label", "Heatmap")
    browser.wait.until(lambda _: browser.drawn() != before)

    browser.one("#json").click()
    written = browser.folder / "downloads" / "people.json"
    browser.wait.until(lambda _: written.is_file())
    record = json.loads(written.read_text())
    assert len(record["people"]) == len(people_in(finder, images[0], min_score=0.0))
    assert (record["height"], record["width"]) == images[0].shape[:2]


@pytest.mark.slow
def test_nothing_is_asked_of_other_machines(browse, address, files):
    browser = browse()
    browser.upload(files[0])
    browser.count()
    script = "return performance.getEntriesByType('resource').map(one => one.name)"
    asked = browser.driver.execute_script(script)
    assert len(asked) > 5
    assert [one for one in asked if not one.startswith((address, "data:", "blob:"))] == []


@pytest.mark.slow
def test_bad_files_in_the_browser(browse, files, finder, images, tmp_path):
    browser = browse()
    (tmp_path / "bad.png").write_bytes(b"no image")
    browser.upload(tmp_path / "bad.png")
    browser.text("[data-testid=toast-body]", "can't be read as an image")
    browser.driver.refresh()
    cv2.imwrite(str(tmp_path / "thin.png"), np.zeros((4, 400, 3), np.uint8))
    browser.upload(tmp_path / "thin.png")
    browser.text("[data-testid=toast-body]", "Cut it into pieces")
    browser.driver.refresh()
    browser.upload(files[0])
    assert browser.count() == len(people_in(finder, images[0]))


@pytest.mark.slow
def test_images_of_too_many_pixels(files, images, monkeypatch):
    gradio = pytest.importorskip("gradio")
    read = runpy.run_path(str(TOOL))["image_input"]().preprocess
    upload = SimpleNamespace(path=str(files[0]))
    assert (read(upload) == images[0][..., ::-1]).all()
    monkeypatch.setenv("SWAHR_MAX_PIXELS", "100")
    with pytest.raises(gradio.Error, match="pixels, and at most 100 are read"):
        read(upload)


@pytest.mark.slow
def test_two_users_in_browsers(browse, files, finder, images):
    users = [browse(), browse()]
    users[0].type_in("#min_score", 0)
    for _ in range(2):
        for user, path in zip(users, files):
            user.upload(path)
        expected = [
            len(people_in(finder, images[0], min_score=0.0)),
            len(people_in(finder, images[1])),
        ]
        assert [user.count() for user in users] == expected
        for user in users:
            user.driver.refresh()
            if user is users[0]:
                user.type_in("#min_score", 0)


@pytest.mark.slow
def test_the_webcam(browse):
    browser = browse()
    browser.one("#image [aria-label='Capture from camera']").click()
    browser.click("#image button", "Click to Access Webcam")
    browser.one("#image [aria-label='capture photo']").click()
    assert browser.count() == 0


@pytest.mark.slow
def test_a_video_in_the_browser(browse, images, tmp_path):
    write_video(tmp_path / "in.avi", [images[0]] * 5)
    browser = browse()
    browser.click("button[role=tab]", "Video")
    browser.upload(tmp_path / "in.avi", "#video")
    browser.wait.until(lambda _: browser.all("#video video"))
    browser.one("#start").click()
    assert "in 3 frames. Longer videos are cut off" in browser.text("#video_line", "At most")
    assert browser.drawn("#drawn_video video").endswith(".webm")


@pytest.mark.slow
def test_options_that_are_wrong(capsys):
    main = runpy.run_path(str(TOOL))["main"]
    pytest.importorskip("gradio")
    assert main(["--config", "no_such_config"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 3
    assert "Address already in use" in capsys.readouterr().err
