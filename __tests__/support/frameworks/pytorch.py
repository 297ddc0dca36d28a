import torch

torch.manual_seed(7)
epochs, rows = 4, torch.randn(64, 8)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def train_one_epoch(model, optimizer, rows):
    for i in torch.randperm(len(rows)).split(16):
        optimizer.zero_grad()
        model(rows[i]).square().mean().backward()
        optimizer.step()
