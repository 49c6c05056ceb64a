"""The picture in a browser: what it can play, proxies of what it cannot, thumbnails, and the peaks of stems."""
