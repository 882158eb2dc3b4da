/** What `make` makes around a network, and disposes of with itself: where there is none of it, the network is not left on the device. */
export function owning<Network extends { dispose(): void }, Made>(
  network: Network,
  make: (network: Network) => Made,
): Made {
  try {
    return make(network);
  } catch (error) {
    network.dispose();
    throw error;
  }
}
