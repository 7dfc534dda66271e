/*
 * What kind of volume an archive was made from, as the manifest keeps it: plain data,
 * filled by pmm/volume, written and read by report/manifest.
 */
#ifndef REPORT_VOLUMEFACTS_H
#define REPORT_VOLUMEFACTS_H

#include <stdbool.h>
#include <stdint.h>

#define VOLUME_TEXT 64u /* bytes, NUL included; longer texts are cut */

/* Zeroed: no PMM volume. Texts are printable ASCII, "" where not known. */
struct volume_facts {
    bool pmm;                       /* this is the data volume of a PMM Server */
    char version[VOLUME_TEXT];      /* of PMM: "2.44.1" */
    char distribution[VOLUME_TEXT]; /* "docker", "ovf", "ami" */
    char pgdir[VOLUME_TEXT];        /* of the newest PostgreSQL cluster: "postgres14" */
    uint32_t pg_version;            /* of it, its PG_VERSION: 14; 0 not known */
    uint64_t system_id; /* of it, by pg_control: the volume's identity; 0 none */
    bool victoriametrics;
    bool vm_partition_index; /* index within the partitions: VictoriaMetrics 1.133 on */
    bool clickhouse;
    bool encryption_key;    /* pmm-encryption.key */
    bool postgres_password; /* .postgres_password */
    bool certificate_key;   /* nginx/certificate.key */
};

struct json_t; /* jansson's */

/* The facts as one JSON object, or NULL when memory is short. */
struct json_t *volumefacts_encode(const struct volume_facts *v);

/* Back again. `json` NULL: an archive that says nothing, all zero. Returns 0, or -1 if
 * a known key has a value of another type or out of range. */
int volumefacts_decode(const struct json_t *json, struct volume_facts *v);

#endif
