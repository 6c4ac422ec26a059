"""Small projects that run a checked file on a device, without edgebench: see `deploy` in edgebench.deployment.project.

A target (`edgebench/deployment/<name>`) is an entry, TARGET, and beside it the folder `project` whose files every
project of it gets. How a format's files are run there is said in the format's own folder, `export/<format>/deploy`, in
a file of the name that the target has for it. A format that has none is not deployed to that target.
"""
