"""``python -m volplugin``: the command line."""

from volplugin.cli import main

if __name__ == "__main__":
    main(prog_name="volplugin")
