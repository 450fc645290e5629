"""Where a cell's rows come from: GLUE's folders, the Hub, own files, further sets."""
