import { afterAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import type { Binding } from "../../bindings/device.js";
import { KernelMissing } from "../../bindings/device.js";
import { openWebGpu } from "../../bindings/webgpu/device.js";
import { DeviceLost, WebGpuError } from "../../bindings/webgpu/faults.js";
import { forward as attention } from "../../kernels/attention/kernels.js";
import {
	type GpuLimits,
	type Pass,
	pass,
	read,
	write,
} from "../../kernels/contract.js";
import { forward as layerNorm } from "../../kernels/layer-norm/kernels.js";
import { ACTIVATIONS } from "../../kernels/matmul/activation.js";
import { forward as matmul } from "../../kernels/matmul/kernels.js";
import { required } from "../support/devices.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";

const opened = await openWebGpu(await platform.gpu(), {
	allowSoftware: true,
	debug: true,
}).catch((error: Error) => {
	if (required.has("webgpu")) throw error;
	return error;
});
afterAll(() => {
	if (!(opened instanceof Error)) opened.close();
});

/** A test of the open device, skipped with its reason where there is none. */
const gpuTest = (title: string, body: (gpu: Binding) => Promise<void>) =>
	test(title, async (context) => {
		if (opened instanceof Error) context.skip(opened.message);
		else await body(opened);
	});

const normal = (length: number, seed: string, scale = 1) => {
	const random = generator(seed);
	return Float32Array.from({ length }, () => scale * random.normal());
};
const spiky = (length: number, seed: string) => {
	const random = generator(seed);
	return Float32Array.from(
		{ length },
		() => (random.uniform() < 0.02 ? 30 : 1) * random.normal(),
	);
};

describe("layer-norm/forward", () => {
	const shapes: [
		name: string,
		T: number,
		C: number,
		eps: number,
		shift?: number,
	][] = [
		["one element: the variance is zero", 1, 1, 1e-3],
		["no rows", 0, 8, 1e-5],
		["row shorter than a workgroup", 3, 7, 1e-5],
		["tail after whole workgroups", 130, 65, 1e-5],
		["eps below f32 resolution (BERT)", 9, 40, 1e-12],
		["mean far from zero", 5, 384, 1e-5, 1000],
		["more rows than a grid has on one side", 65_600, 8, 1e-5],
	];
	for (const [name, T, C, eps, shift = 0] of shapes) {
		gpuTest(name, async (gpu) => {
			const arrays = {
				x: spiky(T * C, name).map((v) => v + shift),
				weight: normal(C, "weight"),
				bias: normal(C, "bias"),
				y: new Float32Array(T * C),
				mean: new Float32Array(T),
				rstd: new Float32Array(T),
			};
			// f32 cannot tell a value near 1000 closer than 6e-5, three thousandths of a percent of what is normalised.
			await checkPass(
				gpu,
				layerNorm,
				arrays,
				{ T, C, eps },
				shift ? 2e-5 : 2e-6,
			);
		});
	}
});

describe("matmul/forward", () => {
	const sizes = {
		B: 1,
		transposeA: 0,
		transposeB: 0,
		batchedA: 0,
		batchedB: 0,
		activation: 0,
		accumulate: 0,
	};
	type Case = {
		M: number;
		N: number;
		K: number;
		bias?: true;
		pre?: true;
	} & Partial<typeof sizes>;
	const cases: [string, Case][] = [
		["one element", { M: 1, N: 1, K: 1 }],
		["no inner elements: the bias remains", { M: 5, N: 7, K: 0, bias: true }],
		["tail smaller than a tile everywhere", { M: 33, N: 65, K: 5 }],
		["left transposed", { M: 31, N: 33, K: 100, transposeA: 1 }],
		["linear layer", { M: 65, N: 40, K: 33, transposeB: 1, bias: true }],
		["both transposed", { M: 63, N: 65, K: 100, transposeA: 1, transposeB: 1 }],
		["batched, b shared by all", { B: 3, M: 13, N: 35, K: 20, batchedA: 1 }],
		["batched, a shared by all", { B: 3, M: 13, N: 35, K: 20, batchedB: 1 }],
		["accumulate", { M: 17, N: 18, K: 19, accumulate: 1, bias: true }],
		...Object.entries(ACTIVATIONS).map(([name, activation]): [string, Case] => [
			`bias, ${name} and what it was applied to`,
			{ M: 37, N: 67, K: 40, transposeB: 1, bias: true, pre: true, activation },
		]),
	];
	for (const [name, { bias, pre, ...given }] of cases) {
		gpuTest(name, async (gpu) => {
			const p = {
				...sizes,
				...given,
				hasBias: bias ? 1 : 0,
				hasPreactivation: pre ? 1 : 0,
			};
			const arrays = {
				a: spiky((p.batchedA ? p.B : 1) * p.M * p.K, `${name} a`),
				b: normal(
					(p.batchedB ? p.B : 1) * p.K * p.N,
					`${name} b`,
					1 / Math.sqrt(Math.max(1, p.K)),
				),
				bias: bias ? normal(p.N, "bias") : null,
				y: normal(p.B * p.M * p.N, `${name} y`),
				preactivation: pre ? new Float32Array(p.B * p.M * p.N) : null,
			};
			await checkPass(gpu, matmul, arrays, p, 5e-6);
		});
	}
});

describe("attention/forward", () => {
	const sizes = {
		B: 1,
		L: 8,
		S: 8,
		H: 1,
		G: 1,
		D: 16,
		P: 0,
		causal: 0,
		dropout: 0,
		sequence: 0,
	};
	type Case = Partial<typeof sizes> & {
		mask?: (s: number) => number;
		packed?: true;
		capacity?: number;
	};
	const cases: [string, Case][] = [
		["one key", { L: 1, S: 1, D: 1 }],
		["odd head width, tail of keys", { B: 2, L: 5, S: 7, H: 2, G: 2, D: 9 }],
		["more queries than a workgroup", { L: 70, S: 33, H: 2, G: 2 }],
		[
			"grouped heads, causal, a cache with room",
			{ B: 2, L: 3, S: 11, H: 4, G: 2, causal: 1, capacity: 16 },
		],
		[
			"causal, more queries than keys: the first see nothing",
			{ L: 9, S: 5, causal: 1 },
		],
		["every key masked", { B: 2, mask: (s) => (s < 8 ? 0 : 1) }],
		["mask with holes", { L: 6, S: 21, mask: (s) => s % 3 }],
		[
			"prefix keys under a causal mask",
			{ B: 2, L: 6, S: 6, H: 2, G: 2, P: 5, causal: 1 },
		],
		["prefix keys only", { L: 3, S: 0, P: 3 }],
		[
			"q, k and v packed in one memory",
			{ B: 2, L: 13, S: 13, H: 3, G: 3, packed: true },
		],
		[
			"dropout, positions not aligned",
			{ B: 2, L: 5, S: 7, H: 2, G: 2, P: 2, dropout: 0.3, sequence: 77 },
		],
		[
			"a stream that wraps around",
			{ L: 4, S: 4, dropout: 0.5, sequence: 0xfffffffe },
		],
	];
	for (const [name, { mask, packed, capacity, ...given }] of cases) {
		gpuTest(name, async (gpu) => {
			const s = { ...sizes, ...given };
			const { B, L, S, H, G, D, P } = s;
			const room = capacity ?? S;
			const width = packed ? (H + 2 * G) * D : 0;
			const p = {
				...s,
				scale: 1 / Math.sqrt(D),
				hasMask: mask ? 1 : 0,
				hasPrefix: P > 0 ? 1 : 0,
				qPitch: width || H * D,
				kvPitch: width || G * D,
				qOffset: 0,
				kOffset: packed ? H * D : 0,
				vOffset: packed ? (H + G) * D : 0,
				kvCapacity: room,
			};
			const q = normal(B * L * p.qPitch, `${name} q`, 2);
			const arrays = {
				q,
				k: packed ? q : normal(B * room * G * D, `${name} k`, 2),
				v: packed ? q : normal(B * room * G * D, `${name} v`),
				mask: mask
					? Int32Array.from({ length: B * S }, (_, i) => mask(i))
					: null,
				prefixKeys: P ? normal(P * G * D, `${name} prefix keys`) : null,
				prefixValues: P ? normal(P * G * D, `${name} prefix values`) : null,
				random: Uint32Array.of(0x12345678, 0x9abcdef0, 5, 0),
				y: new Float32Array(B * L * H * D),
				lse: new Float32Array(B * H * L),
			};
			await checkPass(gpu, attention, arrays, p, 3e-6);
		});
	}
});

describe("the tiles of a hardware adapter", () => {
	const asHardware = (p: Pass): Pass => {
		const launches = p.webgpu?.launches.map((l) => ({
			...l,
			tiles: (params: Readonly<Record<string, number>>, limits: GpuLimits) =>
				l.tiles?.(params, { ...limits, software: false }) ?? {},
		}));
		return pass({
			...p,
			webgpu: { dtypes: ["f32"], launches: launches ?? [] },
		});
	};

	gpuTest("matmul/forward", async (gpu) => {
		const p = {
			B: 2,
			M: 70,
			N: 90,
			K: 37,
			transposeA: 0,
			transposeB: 1,
			batchedA: 1,
			batchedB: 0,
			activation: 4,
		};
		const arrays = {
			a: normal(2 * 70 * 37, "a"),
			b: normal(90 * 37, "b", 0.2),
			bias: normal(90, "bias"),
			y: new Float32Array(2 * 70 * 90),
			preactivation: null,
		};
		const params = { ...p, accumulate: 0, hasBias: 1, hasPreactivation: 0 };
		await checkPass(gpu, asHardware(matmul), arrays, params, 5e-6);
	});

	gpuTest("attention/forward", async (gpu) => {
		const [B, L, S, H, G, D, P] = [2, 9, 11, 2, 1, 5, 3];
		const sizes = {
			B,
			L,
			S,
			H,
			G,
			D,
			P,
			qPitch: H * D,
			kvPitch: G * D,
			qOffset: 0,
			kOffset: 0,
			vOffset: 0,
			kvCapacity: S,
		};
		const arrays = {
			q: normal(B * L * H * D, "q"),
			k: normal(B * S * G * D, "k"),
			v: normal(B * S * G * D, "v"),
			mask: Int32Array.from({ length: B * S }, (_, i) => i % 4),
			prefixKeys: normal(P * G * D, "prefix keys"),
			prefixValues: normal(P * G * D, "prefix values"),
			random: Uint32Array.of(1, 2, 3, 0),
			y: new Float32Array(B * L * H * D),
			lse: new Float32Array(B * H * L),
		};
		const params = {
			...sizes,
			causal: 1,
			scale: 0.5,
			dropout: 0.25,
			sequence: 9,
			hasMask: 1,
			hasPrefix: 1,
		};
		await checkPass(gpu, asHardware(attention), arrays, params, 3e-6);
	});
});

describe("the device", () => {
	const scale = (source: string) =>
		pass({
			label: "test/scale",
			buffers: { x: read("n"), y: write("n") },
			params: { n: "u32", by: "f32" },
			reference: () => {},
			webgpu: {
				dtypes: ["f32"],
				launches: [{ source, grid: ({ n }) => [Math.ceil(n / 64), 1, 1] }],
			},
		});
	const head = `
    struct Params { n: u32, by: f32 }
    @group(0) @binding(0) var<storage, read> x: array<value>;
    @group(0) @binding(1) var<storage, read_write> y: array<value>;
    @group(0) @binding(2) var<uniform> params: Params;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {`;
	const good = scale(
		`${head} if (id.x < params.n) { y[id.x] = params.by * x[id.x]; } }`,
	);

	gpuTest("keeps the order of many launches, writes and reads", async (gpu) => {
		const a = gpu.allocate(3, "f32");
		const b = gpu.allocate(3, "f32");
		gpu.write(a, Float32Array.of(1, 2, 3));
		for (let i = 0; i < 1000; i++) {
			gpu.launch(good, "f32", i % 2 ? [b, a] : [a, b], {
				n: 3,
				by: i % 2 ? 1 / (i + 2) : i + 3,
			});
		}
		const early = gpu.read(a, 12);
		gpu.write(a, Float32Array.of(7, 8, 9));
		gpu.launch(good, "f32", [a, b], { n: 3, by: 2 });
		gpu.write(a, Float32Array.of(0, 0, 0));
		expect([...new Float32Array(await gpu.read(b, 12))]).toEqual([14, 16, 18]);
		// Step i multiplies by i + 3, step i + 1 by 1 / (i + 3): the values come back, but for the rounding of 500 divisions.
		const back = [...new Float32Array(await early)];
		back.forEach((v, i) => expect(v).toBeCloseTo(i + 1, 4));
		gpu.release(a);
		gpu.release(b);
	});

	gpuTest("releases memory that unsubmitted work uses", async (gpu) => {
		const [a, b, c] = [
			gpu.allocate(4, "f32"),
			gpu.allocate(4, "f32"),
			gpu.allocate(4, "f32"),
		];
		gpu.write(a, Float32Array.of(1, 2, 3, 4));
		gpu.launch(good, "f32", [a, b], { n: 4, by: 3 });
		gpu.launch(good, "f32", [b, c], { n: 4, by: 0.5 });
		gpu.release(a);
		gpu.release(b);
		expect([...new Float32Array(await gpu.read(c, 16))]).toEqual([
			1.5, 3, 4.5, 6,
		]);
		gpu.release(c);
	});

	gpuTest("finds a store past the end", async (gpu) => {
		const beyond = scale(
			`${head} if (id.x <= params.n) { y[id.x] = params.by; } }`,
		);
		const [x, y] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
		gpu.launch(beyond, "f32", [x, y], { n: 4, by: 2.5 });
		expect(await gpu.checkGuards?.(x)).toBeNull();
		expect(await gpu.checkGuards?.(y)).toBe(
			"0 bytes past the end: 2.5 was written",
		);
		gpu.release(x);
		gpu.release(y);
	});

	gpuTest("refuses memory that a launch reads and writes", async (gpu) => {
		const x = gpu.allocate(4, "f32");
		expect(() => gpu.launch(good, "f32", [x, x], { n: 4, by: 1 })).toThrow(
			"test/scale: y and x are the same memory, and WebGPU refuses a buffer that one dispatch writes and binds a second " +
				"time. Give y memory of its own.",
		);
		gpu.release(x);
	});

	gpuTest(
		"names the pass and line of a shader error at the next await, then goes on",
		async (gpu) => {
			const broken = scale(`${head}\n  y[0] = wrong;\n}`);
			const [x, y] = [gpu.allocate(4, "f32"), gpu.allocate(4, "f32")];
			gpu.write(x, Float32Array.of(1, 2, 3, 4));
			gpu.launch(broken, "f32", [x, y], { n: 4, by: 1 });
			const error = await gpu.finish().catch((e) => e);
			expect(error).toBeInstanceOf(WebGpuError);
			expect(error.message).toContain("webgpu: test/scale f32:");
			expect(error.message).toContain(
				"test/scale.wgsl:7:10 error: unresolved value 'wrong'",
			);
			gpu.launch(good, "f32", [x, y], { n: 4, by: 2 });
			expect([...new Float32Array(await gpu.read(y, 16))]).toEqual([
				2, 4, 6, 8,
			]);
			gpu.release(x);
			gpu.release(y);
		},
	);

	gpuTest("says which storage types a pass has", async (gpu) => {
		const error = (() => {
			try {
				gpu.launch(good, "bf16", [], { n: 0, by: 0 });
			} catch (e) {
				return e;
			}
		})();
		expect(error).toBeInstanceOf(KernelMissing);
		expect((error as KernelMissing).available).toEqual(["f32"]);
	});

	gpuTest(
		"refuses params that are not what they say, and sizes beyond the adapter",
		async (gpu) => {
			const [x, y] = [gpu.allocate(1, "f32"), gpu.allocate(1, "f32")];
			expect(() => gpu.launch(good, "f32", [x, y], { n: 1.5, by: 1 })).toThrow(
				"test/scale: param n is 1.5, not a u32",
			);
			expect(() =>
				gpu.launch(good, "f32", [x, y], { n: 64 * 70_000, by: 1 }),
			).toThrow(/a grid of 70000 x 1 x 1 workgroups/);
			expect(() => gpu.allocate(2 ** 40, "f32")).toThrow(RangeError);
			gpu.release(x);
			gpu.release(y);
		},
	);

	gpuTest(
		"rejects what is pending when it is closed, and every call after",
		async () => {
			const second = await openWebGpu(await platform.gpu(), {
				allowSoftware: true,
			});
			const x = second.allocate(4, "f32");
			const pending = second.read(x, 16);
			second.close();
			await expect(pending).rejects.toThrow(DeviceLost);
			await expect(second.finish()).rejects.toThrow(DeviceLost);
			expect(() => second.allocate(4, "f32")).toThrow(
				"webgpu: the device was lost: it was closed",
			);
		},
	);

	gpuTest("does not open a software adapter unless asked to", async (gpu) => {
		if (!gpu.limits?.software) return;
		await expect(openWebGpu(await platform.gpu(), {})).rejects.toThrow(
			/runs on the CPU; the cpu device is many times faster/,
		);
	});
});
