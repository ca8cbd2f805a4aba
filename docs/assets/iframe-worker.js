// Search in pages opened from a folder: browsers start no worker for file://, so its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inner = frame.contentWindow;
      this.ready = new Promise((resolve) => {
        inner.postMessage = (data) => this.deliver(new MessageEvent("message", { data }));
        inner.importScripts = (...urls) => Promise.all(urls.map((each) => this.load(inner, each)));
        this.load(inner, url).then(resolve);
      });
      this.inner = inner;
    }
    load(inner, url) {
      return new Promise((resolve) => {
        const script = inner.document.createElement("script");
        script.src = String(url);
        script.onload = resolve;
        inner.document.body.append(script);
      });
    }
    deliver(event) {
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }
    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.inner.frameElement.remove();
    }
  };
}
