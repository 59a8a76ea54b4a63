"""What stands between a Python web application and the host. It is part of every component, and runs twice: while the
component is built, when modules are imported and the interpreter's memory is kept, and in each instance made of that."""
