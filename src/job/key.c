#include "job/key.h"

int key_get(struct key *k, const struct passphrase_opts *opts, const struct job *job,
            struct err *err)
{
    if (passphrase_get(opts, &k->pass, err) != 0)
        return -1;
    return keyring_new(&k->ring, k->pass.bytes, k->pass.len, &job->kdf_limits, err);
}

void key_free(struct key *k)
{
    keyring_free(k->ring);
    k->ring = NULL;
    passphrase_free(&k->pass);
}
