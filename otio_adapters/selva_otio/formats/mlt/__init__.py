"""MLT XML: a preview of picture and stems for `melt`, and the projects of Kdenlive, which are MLT XML too."""
