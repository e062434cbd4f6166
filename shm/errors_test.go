package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// TestErrorTexts pins how errors read: the package once, the operation, the
// name once, and what is wrong.
func TestErrorTexts(t *testing.T) {
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	seg, err := shm.Create(ctx, "s", shm.Spec{Size: 1 << 20, MaxSize: 2 << 20}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	createMutex(t, seg, "m")
	ro, err := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	garbage := strings.Repeat("garbage ", 1000)
	if err := os.WriteFile(filepath.Join(opts.Dir, "bad.shoal"), []byte(garbage), 0o600); err != nil {
		t.Fatal(err)
	}
	other := *opts
	other.Init = func(*shm.Segment) error { return errors.New("no config") }
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	in := object.Inside()
	for _, tt := range []struct {
		call func() error
		want string
		is   error
	}{
		{
			func() error { _, err := shm.Create(ctx, "s", shm.Spec{}, opts); return err },
			`shm: create "s": file already exists`, fs.ErrExist,
		},
		{
			func() error { _, err := shm.Open(ctx, "none", opts); return err },
			`shm: open "none": open ` + opts.Dir + `/none.shoal: no such file or directory`, fs.ErrNotExist,
		},
		{
			func() error { _, err := shm.Open(canceled, "s", opts); return err },
			`shm: open "s": context canceled`, context.Canceled,
		},
		{
			func() error { _, err := shm.Open(ctx, "bad", opts); return err },
			`shm: segment "bad" is corrupt: header.magic at 0 is 0x2065676162726167, want 0x4745534c414f4853`, shm.ErrCorrupt,
		},
		{
			func() error { _, err := shm.OpenOrCreate(ctx, "s", shm.Spec{Participants: 3}, opts); return err },
			`shm: segment "s" is incompatible: Participants is 256, want 3`, shm.ErrIncompatible,
		},
		{
			func() error { _, err := shm.Create(ctx, "t", shm.Spec{MaxSize: 4096}, opts); return err },
			`shm: no space for segment "t": need 348160 bytes, have 4096 (limit: MaxSize)`, shm.ErrNoSpace,
		},
		{
			func() error { _, err := shm.Create(ctx, "t", shm.Spec{Size: -1}, opts); return err },
			`shm: Spec.Size is -1, want 0 to 64 TiB: invalid argument`, fs.ErrInvalid,
		},
		{
			func() error { _, err := shm.Create(ctx, "t", shm.Spec{MaxSize: 1 << 47}, opts); return err },
			`shm: Spec.MaxSize is 140737488355328, want 0 to 64 TiB: invalid argument`, fs.ErrInvalid,
		},
		{
			func() error { _, err := shm.Create(ctx, "t", shm.Spec{Group: "no-such-group"}, opts); return err },
			`shm: create "t": Spec.Group: invalid argument: group: unknown group no-such-group`, fs.ErrInvalid,
		},
		{
			func() error { _, err := shm.Create(ctx, "t", shm.Spec{}, &other); return err },
			`shm: create "t": no config`, nil,
		},
		{
			func() error {
				_, err := shm.Create(ctx, "t", shm.Spec{}, &shm.Options{Dir: opts.Dir, ReadOnly: true})
				return err
			},
			`shm: create "t": the segment is open for reading only: permission denied`, fs.ErrPermission,
		},
		{
			func() error { _, err := shm.Create(ctx, "a b", shm.Spec{}, opts); return err },
			`shm: segment name "a b": character ' ' is not allowed: invalid argument`, fs.ErrInvalid,
		},
		{
			func() error { return shm.Remove("none", opts) },
			`shm: remove "none": open ` + opts.Dir + `/none.shoal: no such file or directory`, fs.ErrNotExist,
		},
		{
			func() error { return seg.Remove(ctx, "none") },
			`shm: remove object "none": file does not exist`, fs.ErrNotExist,
		},
		{
			func() error { return ro.Remove(ctx, "m") },
			`shm: remove object "m": the segment is open for reading only: permission denied`, fs.ErrPermission,
		},
		{
			func() error { _, _, err := in.Create(ctx, seg, mutexRequest("m")); return err },
			`shm: create object "m": file already exists`, fs.ErrExist,
		},
		{
			func() error { _, _, err := in.Open(ctx, seg, mutexRequest("none")); return err },
			`shm: open object "none": file does not exist`, fs.ErrNotExist,
		},
		{
			func() error { _, _, err := in.Create(ctx, ro, mutexRequest("n")); return err },
			`shm: create object "n": the segment is open for reading only: permission denied`, fs.ErrPermission,
		},
		{
			func() error { _, _, err := in.Create(ctx, seg, blockRequest("big", 4<<20)); return err },
			`shm: no space for object "big" of segment "s": need 4194304 bytes, have 1748864 (limit: MaxSize)`, shm.ErrNoSpace,
		},
		{
			func() error { return new(shm.Segment).UnmarshalText([]byte("nonsense")) },
			`shm: "nonsense" is not the text of a segment: invalid argument`, fs.ErrInvalid,
		},
		{func() error {
			return new(shm.Segment).UnmarshalText([]byte("shoal1:" + strings.Repeat("00", 16) + ":"))
		}, `shm: open "anonymous": file does not exist`, fs.ErrNotExist},
		{
			func() error { _, err := shm.List(&shm.Options{Dir: "/no/such"}); return err },
			`shm: list "/no/such": open /no/such: no such file or directory`, fs.ErrNotExist,
		},
	} {
		err := tt.call()
		if fmt.Sprint(err) != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%v is not %v", err, tt.is)
		}
	}
}
