package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScribbled looks at segments in which somebody wrote nonsense.
func TestScribbled(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, "persistent")
	for _, line := range []string{"objects", "lock", "acquire", "put", "receive"} {
		a.do(line)
	}
	a.kill()
	path := filepath.Join(dir, "orders.shoal")
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// One field of the header: as docs/layout.md says, the bytes in use are at 40.
	broken := append([]byte(nil), sound...)
	binary.LittleEndian.PutUint64(broken[40:], 1<<40)
	write(broken)
	o := look(t, dir, "check", "orders")
	wantCode(t, o, 3)
	wantText(t, o.out, "header.size at 40")

	// The word of the mutex: an owner with bits that no owner has.
	broken = append(broken[:0], sound...)
	at := strings.Index(string(broken), "gate\x00") // its directory entry's name, at 96
	off := binary.LittleEndian.Uint64(broken[at-96+16:])
	binary.LittleEndian.PutUint32(broken[off:], 1<<20|1)
	write(broken)
	o = look(t, dir, "check")
	wantCode(t, o, 3)
	wantText(t, o.out, "gate", "corrupt")
	wantCode(t, look(t, dir, "inspect", "orders"), 0)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const structures = 64 << 10 // all of them, and the beginnings of the objects
	for round := range 24 {
		first := round % 2 * 4096 // with the header, and without
		broken = append(broken[:0], sound...)
		for range 1 + random.IntN(2000) {
			broken[first+random.IntN(structures-first)] = byte(random.Uint32())
		}
		write(broken)
		for _, args := range [][]string{{"check"}, {"inspect", "orders"}, {"ls"}} {
			o := look(t, dir, args...)
			if o.code != 0 && o.code != 1 && o.code != 3 || strings.Contains(o.err, "goroutine ") {
				t.Fatalf("shmctl %v: exit %d", args, o.code)
			}
		}
	}
}
