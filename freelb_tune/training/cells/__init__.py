"""One cell, start to finish: trained, evaluated, kept and reported epoch by epoch."""
