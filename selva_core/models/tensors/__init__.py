"""What a file of weights holds, read from its directory alone: names, shapes and places of tensors, without torch.

Works on a file on disk and on one that is still on a server, since only a few ranges of bytes are read. No code from the
file is run: the pickle inside a file of torch is interpreted by a reader that knows the few operations a state dict needs.
"""
