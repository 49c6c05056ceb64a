"""The stages of training, each on the files of the ones before it, and the writing of the finished weights."""
