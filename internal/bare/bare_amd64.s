#include "textflag.h"

// func Store64(p *uint64, x uint64)
TEXT ·Store64(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ x+8(FP), BX
	MOVQ BX, (AX)
	RET

// func StoreAndClear(p *uint64, x uint64, a, b *uint32)
TEXT ·StoreAndClear(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), AX
	MOVQ x+8(FP), BX
	MOVQ a+16(FP), CX
	MOVQ b+24(FP), DX
	MOVQ BX, (AX)
	MOVL $0, (CX)
	MOVL $0, (DX)
	RET

// func Enter(owner *uintptr, a, b *uint32) uint32
TEXT ·Enter(SB), NOSPLIT, $0-28
	MOVQ owner+0(FP), AX
	MOVQ (TLS), BX
	CMPQ BX, (AX)
	JNE  no
	MOVQ a+8(FP), CX
	MOVQ b+16(FP), DX
	MOVL $1, (CX)
	CMPQ BX, (AX)
	JNE  lost
	MOVL $1, (DX)
	MOVL $1, ret+24(FP)
	RET
lost:
	MOVL $0, (CX)
	MOVL $2, ret+24(FP)
	RET
no:
	MOVL $0, ret+24(FP)
	RET

// func Goroutine() uintptr
TEXT ·Goroutine(SB), NOSPLIT, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET

// func move(dst, src *byte, n int)
TEXT ·move(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	REP; MOVSB
	RET

// func features7() (ebx uint32)
TEXT ·features7(SB), NOSPLIT, $0-4
	MOVL $0, AX
	CPUID
	CMPL AX, $7
	JLT  none
	MOVL $7, AX
	MOVL $0, CX
	CPUID
	MOVL BX, ebx+0(FP)
	RET
none:
	MOVL $0, ebx+0(FP)
	RET
