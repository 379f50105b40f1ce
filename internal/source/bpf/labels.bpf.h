// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// labels.bpf.h: copies a pprof label set from the target's memory, behind the words of a struct scratch that mine()
// returns. Who includes it has declared both, READ, MAX_WORDS, enum { LABELS_NONE, ... }, the flag LABELS_PARTIAL, and
// target.label_kind. oncpu.bpf.c says why loops look as they do.

struct label {
	u32 key_len, value_len;
};

// put_string copies len bytes at p behind s->off. It returns 0 when all of them were copied.
__noinline int put_string(u64 p, u64 len)
{
	struct scratch *s = mine();
	u64 off, l = len;

	if (!s)
		return -1;
	off = s->off;
	if (l > MAX_STRING || off > MAX_WORDS * 8 + MAX_LABEL_BYTES)
		return -1;
	if (!l)
		return 0;
	if (bpf_probe_read_user((u8 *)s->words + off, l, (void *)p))
		return -1;
	s->off = off + ((l + 7) & ~7ull);
	return 0;
}

// put_label appends one label, its key and its value. It leaves the cursor where it was when the label does not fit.
__noinline int put_label(u64 key, u64 key_len, u64 value, u64 value_len)
{
	struct scratch *s = mine();
	u64 start;
	struct label l;

	if (!s)
		return -1;
	start = s->off;
	if (start > MAX_WORDS * 8 + MAX_LABEL_BYTES - sizeof(l) || s->r.nlabels >= MAX_LABELS)
		return -1;
	l.key_len = key_len;
	l.value_len = value_len;
	s->off = start + sizeof(l);
	if (put_string(key, key_len) || put_string(value, value_len) ||
	    s->off - s->nwords * 8 > MAX_LABEL_BYTES) {
		s->off = start;
		return -1;
	}
	*(struct label *)((u8 *)s->words + start) = l;
	s->r.nlabels++;
	return 0;
}

// Go >= 1.24: g.labels -> struct{ list []struct{ key, value string } } (runtime/pprof/label.go).
static __noinline int slice_labels(struct scratch *s, u64 set)
{
	u64 list[3], n, *h; // list: pointer, length, capacity

	if (!s)
		return -1;
	if (bpf_probe_read_user(list, sizeof(list), (void *)set))
		return -1;
	n = list[1];
	if (n > list[2]) // no slice: somebody keeps something else in g.labels
		return 0;
	if (n > MAX_LABELS) {
		s->r.flags |= LABELS_PARTIAL;
		n = MAX_LABELS;
	}
	if (!n)
		return 0;
	if (bpf_probe_read_user(s->header, n * 32, (void *)list[0]))
		return -1;
	for (u32 i = 0; i < MAX_LABELS; i++) {
		h = &s->header[i * 4];
		if (i >= n)
			break;
		if (put_label(h[0], h[1], h[2], h[3]))
			return -1;
	}
	return 0;
}

// map_label looks at one slot of one bucket of a map[string]string and moves on, along the overflow
// chain and then to the next bucket (runtime/map.go, struct bmap, up to Go 1.23).
__noinline int map_label(void)
{
	struct scratch *s = mine();
	u64 j, *b;

	if (!s)
		return 1;
	j = s->slot;
	b = s->bucket;
	asm volatile("%0 &= 7" : "+r"(j));
	if (!j && bpf_probe_read_user(b, 272, (void *)s->bucket_addr)) {
		s->r.flags |= LABELS_PARTIAL;
		return 1;
	}
	if (((u8 *)b)[j] >= 5) { // minTopHash: a used slot that was not evacuated
		if (put_label(b[1 + j * 2], b[2 + j * 2], b[17 + j * 2], b[18 + j * 2])) {
			s->r.flags |= LABELS_PARTIAL;
			return 1;
		}
	}
	s->slot = j + 1;
	if (j < 7)
		return 0;
	s->slot = 0;
	if (b[33]) { // overflow
		s->bucket_addr = b[33];
		return 0;
	}
	s->table += 272;
	s->bucket_addr = s->table;
	return --s->bucket_left == 0;
}

__noinline int scan_buckets(u64 table, u64 n)
{
	struct scratch *s = mine();

	if (!s || target.label_kind != LABELS_MAP) // for other programs, not to be verified
		return 0;
	s->table = s->bucket_addr = table;
	s->bucket_left = n;
	s->slot = 0;
	for (u32 i = 0; i < 8 * 4 * MAX_LABELS; i++) {
		if (map_label())
			break;
	}
	return 0;
}

// Go <= 1.23: g.labels -> labelMap, a map[string]string, so a pointer to a struct hmap.
static __noinline int map_labels(struct scratch *s, u64 set)
{
	u64 hmap, h[4]; // count | flags, B, noverflow, hash0 | buckets | oldbuckets
	u64 logn, n;

	if (!s)
		return -1;
	if (READ(hmap, set))
		return -1;
	if (!hmap) // a nil map, which goroutine-local stores have
		return 0;
	if (bpf_probe_read_user(h, sizeof(h), (void *)hmap))
		return -1;
	logn = (h[1] >> 8) & 0xff;
	if (!h[0])
		return 0;
	if (logn > 5 || !h[2]) {
		s->r.flags |= LABELS_PARTIAL;
		return 0;
	}
	n = 1ull << logn;
	scan_buckets(h[2], n);
	if (h[3]) // still growing: buckets that were not evacuated yet; sameSizeGrow is flag 8
		scan_buckets(h[3], (h[1] & 8) || !logn ? n : n / 2);
	if (s->r.nlabels != h[0])
		s->r.flags |= LABELS_PARTIAL;
	return 0;
}
