import lightning, torch

torch.manual_seed(7)
epochs, rows = 4, torch.utils.data.DataLoader(torch.randn(64, 8), batch_size=16)


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def on_train_epoch_start(self):
        print(f"epoch {self.current_epoch + 1}", flush=True)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


module = Module()
