"""What a process of several is told where another one is gone; apart, since it is known before torch is imported."""


class Parted(BaseException):
    """The link to another process broke, since that one has ended; it says itself why."""
