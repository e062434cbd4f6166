//go:build linux

package soak

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/process"
)

// governs runs a whole round in a process of its own, that can have a mount which
// nobody else sees: a file system so small that it is always full.
var governs = process.Func("soak-governs", func(ctx context.Context, p plan) error {
	if err := mountSmall(p.segments()); err != nil {
		return err
	}
	res, err := p.here(ctx)
	text, _ := json.Marshal(res) // numbers only
	if e := os.WriteFile(filepath.Join(p.Dir, "result"), text, 0o600); err == nil {
		err = e
	}
	return err
})

// mounts tries whether that is permitted.
var mounts = process.Func("soak-mounts", func(_ context.Context, dir string) error { return mountSmall(dir) })

func mountSmall(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount("shoal-soak", dir, "tmpfs", 0, "size=5m,mode=0700")
}

// ownMounts is for processes that mount.
func ownMounts() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// governed runs a round in a process of its own.
func (p plan) governed(ctx context.Context) (result, error) {
	cmd := governs.Command(p)
	cmd.SysProcAttr = ownMounts()
	cmd.Grace = 10 * time.Minute // it has its own watchdogs
	err := cmd.Run(ctx)
	var res result
	if text, e := os.ReadFile(filepath.Join(p.Dir, "result")); e == nil {
		e = json.Unmarshal(text, &res)
		if err == nil {
			err = e
		}
	}
	return res, err
}
