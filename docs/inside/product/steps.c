/* out (M, N) = A (M, K) B (K, N) in five steps from the definition to a tile in registers.

Every element of out is one chain of fused multiply-adds over k, ascending, from 0, in all of them;
so all five give the same bits. (In the tile, the compiler fuses a product and a sum of vectors.)
Matrices are contiguous, row by row. N is a multiple of 16, M of 6.
*/
#include <stdlib.h>
#include <string.h>

#define MR 6            /* rows of a tile */
#define LANES 8         /* floats of a vector; 8 is AVX2's width */
#define NR (2 * LANES)  /* columns of a tile: two vectors */
#define KC 256          /* steps of k in a block, */
#define NC 256          /* and columns of B: together they stay in the second cache */

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* 1. The definition: one element after the other. B is read down its columns. */
void triple_loop(int M, int K, int N, const float* restrict A, const float* restrict B,
                 float* restrict out) {
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum = __builtin_fmaf(A[i * K + k], B[k * N + j], sum);
            out[i * N + j] = sum;
        }
}

/* 2. The loops over k and j change places: memory is read in order, and a vector takes LANES
   elements of out at once. Each element still adds up over k, ascending. */
void rows_in_order(int M, int K, int N, const float* restrict A, const float* restrict B,
                   float* restrict out) {
    memset(out, 0, sizeof(float) * M * N);
    for (int i = 0; i < M; i++)
        for (int k = 0; k < K; k++)
            for (int j = 0; j < N; j++)
                out[i * N + j] = __builtin_fmaf(A[i * K + k], B[k * N + j], out[i * N + j]);
}

/* 3. Blocks of k and of columns: a piece of B stays in the second cache while all rows of A meet it. */
void blocks(int M, int K, int N, const float* restrict A, const float* restrict B,
            float* restrict out) {
    memset(out, 0, sizeof(float) * M * N);
    for (int k0 = 0; k0 < K; k0 += KC)
        for (int j0 = 0; j0 < N; j0 += NC) {
            int k1 = k0 + KC < K ? k0 + KC : K, j1 = j0 + NC < N ? j0 + NC : N;
            for (int i = 0; i < M; i++)
                for (int k = k0; k < k1; k++)
                    for (int j = j0; j < j1; j++)
                        out[i * N + j] = __builtin_fmaf(A[i * K + k], B[k * N + j], out[i * N + j]);
        }
}

/* The tile: MR rows by two vectors of out, in registers for kc steps of k. Each element of B that is
   loaded serves MR rows, and each of A serves NR columns; the 12 chains hide each other's latency. */
static inline void tile(int kc, const float* A, int a_row, const float* B, int b_k, float* out,
                        int out_row) {
    vector sums[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < MR; i++) {
        sums[i][0] = *(const unaligned*)(out + i * out_row);
        sums[i][1] = *(const unaligned*)(out + i * out_row + LANES);
    }
    for (int k = 0; k < kc; k++) {
        vector b0 = *(const unaligned*)(B + k * b_k), b1 = *(const unaligned*)(B + k * b_k + LANES);
#pragma GCC unroll 6
        for (int i = 0; i < MR; i++) {
            float a = A[i * a_row + k];
            sums[i][0] += a * b0;
            sums[i][1] += a * b1;
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < MR; i++) {
        *(unaligned*)(out + i * out_row) = sums[i][0];
        *(unaligned*)(out + i * out_row + LANES) = sums[i][1];
    }
}

/* 4. Tiles: out is held in registers for KC steps of k, instead of being loaded and stored in each. */
void tiles(int M, int K, int N, const float* A, const float* B, float* out) {
    memset(out, 0, sizeof(float) * M * N);
    for (int k = 0; k < K; k += KC)
        for (int j = 0; j < N; j += NR)
            for (int i = 0; i < M; i += MR)
                tile(K - k < KC ? K - k : KC, A + i * K + k, K, B + k * N + j, N, out + i * N + j, N);
}

/* 5. Packed panels: the NR columns of B that a column of tiles reads are copied next to each other, so
   that the reads are contiguous and touch few pages and sets of the cache. */
void packed_panels(int M, int K, int N, const float* A, const float* B, float* out) {
    float* panel = aligned_alloc(64, sizeof(float) * KC * NR);
    memset(out, 0, sizeof(float) * M * N);
    for (int k0 = 0; k0 < K; k0 += KC) {
        int kc = K - k0 < KC ? K - k0 : KC;
        for (int j = 0; j < N; j += NR) {
            for (int k = 0; k < kc; k++)
                memcpy(panel + k * NR, B + (k0 + k) * N + j, sizeof(float) * NR);
            for (int i = 0; i < M; i += MR)
                tile(kc, A + i * K + k0, K, panel, NR, out + i * N + j, N);
        }
    }
    free(panel);
}
