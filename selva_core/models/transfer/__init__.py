"""Fetching published files over HTTP: resumable across processes, through proxies, and with every refusal explained.

The Hugging Face client is not used for this: it names the partial file of each call anew, so that what an ended process had
fetched is fetched again and left behind.
"""
