"""What people ask of a project: ``check``, ``log``, ``show``, ``diff``. Nothing here writes to the project."""
