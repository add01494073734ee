"""The files of a workspace as tools may touch them: roots, locks, before-images, overlay."""
