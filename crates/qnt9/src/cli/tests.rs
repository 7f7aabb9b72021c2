// The whole command line is tried by the tests of the commands.
