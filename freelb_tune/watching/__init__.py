"""What a search shows while it runs and after it: in a terminal, as JSON, on a live page.

Room: watching. Reads results folders and writes nothing in them; knows neither Ray nor training.
"""
