"""What the containers of media say in their own bytes, where the demuxer does not tell: AVI, ISO base media, Matroska, MXF."""
