"""What chance explains: arms of scores in, a verdict out."""
