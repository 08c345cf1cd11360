"""Libraries for C from exported functions.

`loaders.py` adds, for every record that an export takes, functions that load and save it; `interface.py` decides what the C
functions look like; `glue.py` emits them around the program's functions; `header.py` declares them.

    NAME_context *context = NAME_create();
    NAME_Model *model;
    int32_t error = NAME_Model_load(context, "model.safetensors", v, d, k, &model);
    if (error) puts(NAME_error(context));

Every function returns 0 or an error code; a context is used by one thread at a time; nothing is global.
"""
