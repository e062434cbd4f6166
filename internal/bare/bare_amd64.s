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

// func StoreEach(p *uint64, stride uintptr, n int, x uint64)
TEXT ·StoreEach(SB), NOSPLIT, $0-32
	MOVQ  p+0(FP), AX
	MOVQ  stride+8(FP), BX
	MOVQ  n+16(FP), CX
	MOVQ  x+24(FP), DX
	TESTQ CX, CX
	JLE   done
again:
	MOVQ DX, (AX)
	ADDQ BX, AX
	DECQ CX
	JNZ  again
done:
	RET

// func CountEach(p *uint64, stride uintptr, n int, x uint64) int
TEXT ·CountEach(SB), NOSPLIT, $0-40
	MOVQ  p+0(FP), AX
	MOVQ  stride+8(FP), BX
	MOVQ  n+16(FP), CX
	MOVQ  x+24(FP), DX
	XORQ  SI, SI
	TESTQ CX, CX
	JLE   done
again:
	CMPQ DX, (AX)
	JNE  done
	ADDQ BX, AX
	INCQ SI
	CMPQ SI, CX
	JNE  again
done:
	MOVQ SI, ret+32(FP)
	RET

// func Expect(p *byte, n uintptr)
TEXT ·Expect(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), BX
	ADDQ AX, BX
	ANDQ $~63, AX
again:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX)
	ADDQ $64, AX
	CMPQ AX, BX
	JB   again
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
