// The header, first and alone, as C and as C++.
#include <keyfold.h>

int main(void) {
    keyfold_buf out = {0, 0, 0};
    keyfold_store *store = 0;
    keyfold_status status = KEYFOLD_OK;
    if (keyfold_store_open("/nonexistent/folder/store", 0, 0, &store, 0) == KEYFOLD_OK)
        status = KEYFOLD_INTERNAL;
    keyfold_buf_free(&out);
    keyfold_store_free(store);
    return status;
}
