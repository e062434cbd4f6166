package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// occupied reports whether path names a segment that has not ended. What has
// ended, or was never finished, is cleared away.
func occupied(ctx context.Context, path string, opts *Options) (bool, error) {
	for {
		f, err := sys.OpenReadWrite(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return true, nil // another user's
		}
		if err != nil {
			return false, err
		}
		info, err := sys.Inspect(f)
		if err != nil {
			return false, errors.Join(err, f.Close())
		}
		if checkOwner(info, opts) != nil {
			return true, f.Close()
		}
		ended, err := clearEnded(ctx, f, path)
		if err != nil || !ended {
			return err == nil, err
		}
	}
}

// clearEnded removes the name of the segment in f, which it takes over, if its
// lifetime has ended or it was never finished, and reports whether it did. A
// file that is no segment, or a corrupt one, is left alone.
func clearEnded(ctx context.Context, f *os.File, path string) (ended bool, err error) {
	back := newFileBacking(f)
	defer func() { err = errors.Join(err, back.unmap(), back.close()) }()
	if err := lockWith(ctx, back); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, back.unlock()) }()
	k := keeper{back: back, path: path}
	k.view, _, err = back.open(sys.MapFile, path)
	switch {
	case errors.Is(err, errHalfMade):
		return true, k.unlink()
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrIncompatible):
		return false, nil // no segment, or a corrupt one: whoever opens it is told
	case err != nil:
		return false, err
	}
	if k.header.state.Load() == stateRemoved {
		return true, k.unlink()
	}
	k.audit()
	if !k.expired() {
		return false, nil
	}
	return true, k.expire()
}

// removePatience is how long Remove waits for a process that changes the
// segment's structure, which takes microseconds unless that process is stopped.
const removePatience = 2 * time.Second

// Remove deletes the segment's name: processes that have it open keep it, and
// the name is free for a new one. It is fs.ErrNotExist if there is none. A file
// that is no segment, but bears the name of one, is removed too. Should a process
// that is stopped in the middle of a structural change be in the way for two
// seconds, the error is os.ErrDeadlineExceeded and nothing has changed.
func Remove(name string, opts *Options) error {
	path, err := pathOf(name, opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), removePatience)
	defer cancel()
	for removed := false; !removed && err == nil; {
		removed, err = removeFile(ctx, path)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("another process holds the segment's lock: %w", os.ErrDeadlineExceeded)
	}
	return opError("remove", name, err)
}

// removeFile removes the name of the file at path, or reports false if the name
// has meanwhile become another file's.
func removeFile(ctx context.Context, path string) (removed bool, err error) {
	f, err := sys.OpenReadWrite(path)
	if err != nil {
		return false, err
	}
	back := newFileBacking(f)
	defer func() { err = errors.Join(err, back.unmap(), back.close()) }()
	k := keeper{back: back, path: path}
	err = k.lockKept(ctx, func() error {
		if !sys.SameFile(f, path) {
			return nil
		}
		removed = true
		return k.removeMarked(back)
	})
	return removed, err
}

// removeMarked marks the file, so that processes that open it from now on look
// again, and removes its name. On an error the name stays, and the file is as before.
func (k *keeper) removeMarked(back *fileBacking) error {
	if _, err := validate(back.file, k.path); err != nil {
		return k.unlink() // no segment: there is nothing to mark
	}
	page, err := back.mapAll(headerSize)
	if err != nil {
		return err
	}
	h, err := mem.At[header](page, 0)
	if err != nil {
		return err
	}
	before := h.state.Swap(stateRemoved) // commit; pairs with: shm.header.state (open)
	if err := k.unlink(); err != nil {
		h.state.Store(before)
		return err
	}
	return nil
}

// List returns the names of the segments in opts.Dir, sorted: also those that
// have ended unseen and would be removed by Prune, and those of other users.
func List(opts *Options) ([]string, error) {
	files, err := os.ReadDir(dirOf(opts))
	if err != nil {
		return nil, opError("list", dirOf(opts), err)
	}
	var names []string
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), fileSuffix)
		if ok && f.Type().IsRegular() && validSegmentName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Prune removes the segments in opts.Dir whose Lifetime has ended unseen, as
// when the last user was killed, and returns their names, sorted. It never
// removes one that a live process has open, nor one of another user. It waits
// for processes that change a segment's structure until ctx is done.
func Prune(ctx context.Context, opts *Options) (removed []string, err error) {
	names, err := List(opts)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		ended, err := pruneOne(ctx, name, opts)
		if err != nil {
			errs = append(errs, opError("prune", name, err))
		}
		if ended && err == nil {
			removed = append(removed, name)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if dir, err := filepath.Abs(dirOf(opts)); err == nil {
		_, err = sys.StaleTemps(dir)
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func pruneOne(ctx context.Context, name string, opts *Options) (bool, error) {
	path, err := pathOf(name, opts)
	if err != nil {
		return false, err
	}
	f, err := sys.OpenReadWrite(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := sys.Inspect(f)
	if err != nil || info.UID != os.Geteuid() {
		return false, errors.Join(err, f.Close())
	}
	return clearEnded(ctx, f, path)
}
